// The verdict of a run of attacks.

/** Share of honest throughput that each kind of attack must leave. */
const RATIO_MIN = 0.9;

/** Status of the run: 1 if honest senders lost too much to an attack, or a node has kept more memory than a node may gain. */
export const abuseStatus = (attacks: readonly { readonly ratio: number }[], gains: readonly string[]): 0 | 1 =>
  attacks.some(({ ratio }) => !(ratio >= RATIO_MIN)) || gains.length > 0 ? 1 : 0;
