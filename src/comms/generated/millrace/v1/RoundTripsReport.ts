// Original file: src/comms/millrace.proto

import type { RoundTrip as _millrace_v1_RoundTrip, RoundTrip__Output as _millrace_v1_RoundTrip__Output } from '../../millrace/v1/RoundTrip.js';

export interface RoundTripsReport {
  'roundTrips'?: (_millrace_v1_RoundTrip)[];
}

export interface RoundTripsReport__Output {
  'roundTrips': (_millrace_v1_RoundTrip__Output)[];
}
