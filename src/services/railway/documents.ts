const pageInfo = "pageInfo { hasNextPage endCursor }";
const deploymentFields =
  "id status createdAt staticUrl url projectId environmentId serviceId canRedeploy canRollback";
const logFields = "timestamp severity message";

/** Everything that is sent to Railway. */
export const documents = {
  projectToken: "query { projectToken { projectId environmentId } }",
  me: "query { me { id name email workspaces { id name } } }",
  project: "query ($id: String!) { project(id: $id) { id name description createdAt updatedAt } }",
  projects: `query ($first: Int, $after: String, $workspaceId: String) {
    projects(first: $first, after: $after, workspaceId: $workspaceId) {
      edges { node { id name description createdAt updatedAt } } ${pageInfo}
    }
  }`,
  services: `query ($id: String!, $first: Int, $after: String) {
    project(id: $id) {
      services(first: $first, after: $after) {
        edges { node {
          id name
          serviceInstances { edges { node { environmentId latestDeployment { id status } } } }
        } } ${pageInfo}
      }
    }
  }`,
  environments: `query ($projectId: String!, $first: Int, $after: String) {
    environments(projectId: $projectId, first: $first, after: $after) {
      edges { node { id name isEphemeral createdAt } } ${pageInfo}
    }
  }`,
  deployments: `query ($input: DeploymentListInput!, $first: Int, $after: String) {
    deployments(input: $input, first: $first, after: $after) {
      edges { node { ${deploymentFields} } } ${pageInfo}
    }
  }`,
  deployment: `query ($id: String!) { deployment(id: $id) { ${deploymentFields} } }`,
  deploy: `mutation ($serviceId: String!, $environmentId: String!, $commitSha: String) {
    serviceInstanceDeployV2(serviceId: $serviceId, environmentId: $environmentId, commitSha: $commitSha)
  }`,
  redeploy: `mutation ($id: String!) { deploymentRedeploy(id: $id) { ${deploymentFields} } }`,
  restart: "mutation ($id: String!) { deploymentRestart(id: $id) }",
  rollback: "mutation ($id: String!) { deploymentRollback(id: $id) }",
  cancel: "mutation ($id: String!) { deploymentCancel(id: $id) }",
  buildLogs: `query ($id: String!, $limit: Int, $filter: String, $since: DateTime) {
    buildLogs(deploymentId: $id, limit: $limit, filter: $filter, startDate: $since) { ${logFields} }
  }`,
  deployLogs: `query ($id: String!, $limit: Int, $filter: String, $since: DateTime) {
    deploymentLogs(deploymentId: $id, limit: $limit, filter: $filter, startDate: $since) { ${logFields} }
  }`,
  httpLogs: `query ($id: String!, $limit: Int, $filter: String, $since: String) {
    httpLogs(deploymentId: $id, limit: $limit, filter: $filter, afterDate: $since) {
      timestamp method path httpStatus totalDuration
    }
  }`,
  variables: `query ($id: String!, $projectId: String, $first: Int, $after: String) {
    environment(id: $id, projectId: $projectId) {
      variables(first: $first, after: $after) {
        edges { node { name isSealed serviceId updatedAt } } ${pageInfo}
      }
    }
  }`,
  setVariables: `mutation ($input: VariableCollectionUpsertInput!) { variableCollectionUpsert(input: $input) }`,
  deleteVariable: `mutation ($input: VariableDeleteInput!) { variableDelete(input: $input) }`,
  domains: `query ($projectId: String!, $environmentId: String!, $serviceId: String!) {
    domains(projectId: $projectId, environmentId: $environmentId, serviceId: $serviceId) {
      serviceDomains { id domain targetPort } customDomains { id domain targetPort }
    }
  }`,
} as const;
