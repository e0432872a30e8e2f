// Original file: src/transport/proto/millrace.proto

import type { OnlineReport as _millrace_v1_OnlineReport, OnlineReport__Output as _millrace_v1_OnlineReport__Output } from './OnlineReport.js';
import type { StageReport as _millrace_v1_StageReport, StageReport__Output as _millrace_v1_StageReport__Output } from './StageReport.js';
import type { ProgressReport as _millrace_v1_ProgressReport, ProgressReport__Output as _millrace_v1_ProgressReport__Output } from './ProgressReport.js';
import type { RoundTripsReport as _millrace_v1_RoundTripsReport, RoundTripsReport__Output as _millrace_v1_RoundTripsReport__Output } from './RoundTripsReport.js';
import type { SeenReport as _millrace_v1_SeenReport, SeenReport__Output as _millrace_v1_SeenReport__Output } from './SeenReport.js';
import type { WantedReport as _millrace_v1_WantedReport, WantedReport__Output as _millrace_v1_WantedReport__Output } from './WantedReport.js';
import type { Long } from '@grpc/proto-loader';

export interface NodeReport {
  'online'?: (_millrace_v1_OnlineReport | null);
  'stage'?: (_millrace_v1_StageReport | null);
  'progress'?: (_millrace_v1_ProgressReport | null);
  'roundTrips'?: (_millrace_v1_RoundTripsReport | null);
  'seen'?: (_millrace_v1_SeenReport | null);
  'wanted'?: (_millrace_v1_WantedReport | null);
  'timeMs'?: (number | string | Long);
  'report'?: "online"|"stage"|"progress"|"roundTrips"|"seen"|"wanted";
}

export interface NodeReport__Output {
  'online'?: (_millrace_v1_OnlineReport__Output | null);
  'stage'?: (_millrace_v1_StageReport__Output | null);
  'progress'?: (_millrace_v1_ProgressReport__Output | null);
  'roundTrips'?: (_millrace_v1_RoundTripsReport__Output | null);
  'seen'?: (_millrace_v1_SeenReport__Output | null);
  'wanted'?: (_millrace_v1_WantedReport__Output | null);
  'timeMs': (number);
  'report'?: "online"|"stage"|"progress"|"roundTrips"|"seen"|"wanted";
}
