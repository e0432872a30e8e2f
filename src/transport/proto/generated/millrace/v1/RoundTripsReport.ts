// Original file: src/transport/proto/millrace.proto

import type { RoundTrip as _millrace_v1_RoundTrip, RoundTrip__Output as _millrace_v1_RoundTrip__Output } from './RoundTrip.js';

export interface RoundTripsReport {
  'roundTrips'?: (_millrace_v1_RoundTrip)[];
}

export interface RoundTripsReport__Output {
  'roundTrips': (_millrace_v1_RoundTrip__Output)[];
}
