import { defineService } from "@signalbox/kit";
import { addComment } from "./add-comment.ts";
import { cancelWorkflowRun } from "./cancel-workflow-run.ts";
import { createBranch } from "./create-branch.ts";
import { createIssue } from "./create-issue.ts";
import { createPullRequest } from "./create-pull-request.ts";
import { deleteBranch } from "./delete-branch.ts";
import { deleteFile } from "./delete-file.ts";
import { dispatchWorkflow } from "./dispatch-workflow.ts";
import { getFile } from "./get-file.ts";
import { getIssue } from "./get-issue.ts";
import { getPullRequest } from "./get-pull-request.ts";
import { getRepo } from "./get-repo.ts";
import { getWorkflowRun } from "./get-workflow-run.ts";
import { listBranches } from "./list-branches.ts";
import { listCommits } from "./list-commits.ts";
import { listIssues } from "./list-issues.ts";
import { listLabels } from "./list-labels.ts";
import { listPullRequests } from "./list-pull-requests.ts";
import { listReleases } from "./list-releases.ts";
import { listRepos } from "./list-repos.ts";
import { listWorkflowRuns } from "./list-workflow-runs.ts";
import { listWorkflows } from "./list-workflows.ts";
import { mergePullRequest } from "./merge-pull-request.ts";
import { putFile } from "./put-file.ts";
import { rateLimit } from "./rate-limit.ts";
import { rerunWorkflow } from "./rerun-workflow.ts";
import { reviewPullRequest } from "./review-pull-request.ts";
import { connect } from "./runtime.ts";
import { searchCode } from "./search-code.ts";
import { searchIssues } from "./search-issues.ts";
import { searchRepos } from "./search-repos.ts";
import { githubSettings } from "./settings.ts";
import { updateIssue } from "./update-issue.ts";
import { updatePullRequest } from "./update-pull-request.ts";

export const github = defineService({
  name: "github",
  title: "GitHub",
  version: "1.0.0",
  description:
    "Repositories, branches, files, pull requests, issues, workflows and searches on GitHub, as a GitHub App or a person.",
  settings: githubSettings,
  tools: [
    listRepos,
    getRepo,
    searchRepos,
    listBranches,
    createBranch,
    deleteBranch,
    listCommits,
    getFile,
    putFile,
    deleteFile,
    searchCode,
    listPullRequests,
    getPullRequest,
    createPullRequest,
    updatePullRequest,
    reviewPullRequest,
    mergePullRequest,
    listIssues,
    getIssue,
    createIssue,
    updateIssue,
    addComment,
    listLabels,
    searchIssues,
    listWorkflows,
    dispatchWorkflow,
    listWorkflowRuns,
    getWorkflowRun,
    cancelWorkflowRun,
    rerunWorkflow,
    listReleases,
    rateLimit,
  ],
  connect,
});
