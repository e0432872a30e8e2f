// Original file: src/comms/millrace.proto

import type { OnlineReport as _millrace_v1_OnlineReport, OnlineReport__Output as _millrace_v1_OnlineReport__Output } from '../../millrace/v1/OnlineReport.js';
import type { StageReport as _millrace_v1_StageReport, StageReport__Output as _millrace_v1_StageReport__Output } from '../../millrace/v1/StageReport.js';
import type { ProgressReport as _millrace_v1_ProgressReport, ProgressReport__Output as _millrace_v1_ProgressReport__Output } from '../../millrace/v1/ProgressReport.js';

export interface NodeReport {
  'online'?: (_millrace_v1_OnlineReport | null);
  'stage'?: (_millrace_v1_StageReport | null);
  'progress'?: (_millrace_v1_ProgressReport | null);
  'report'?: "online"|"stage"|"progress";
}

export interface NodeReport__Output {
  'online'?: (_millrace_v1_OnlineReport__Output | null);
  'stage'?: (_millrace_v1_StageReport__Output | null);
  'progress'?: (_millrace_v1_ProgressReport__Output | null);
  'report'?: "online"|"stage"|"progress";
}
