export { signalboxService } from "./signalbox-service.ts";
export type {
  CallOutcome,
  RecentCall,
  RecentCallsFilter,
  ServerDetail,
  ServerFailure,
  ServerState,
  ServerSummary,
  SignalboxPorts,
} from "./ports.ts";
