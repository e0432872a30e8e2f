// Original file: src/comms/millrace.proto


export interface SlotRejection {
  'slot'?: (number);
  'reason'?: (string);
}

export interface SlotRejection__Output {
  'slot': (number);
  'reason': (string);
}
