// Limit of this process's open files and connections, and its division: strangers that took all of them would take the team's
// connections, the operator's page and the store with them. Apart from node.ts because a scheduler divides them, too.
import { readFileSync } from 'node:fs';

/** Assumed limit if the system does not tell it: a common default. */
const UNKNOWN_LIMIT = 1_024;
const LIMITS_FILE = '/proc/self/limits';
/** Descriptors of the store, logs, engine threads, libraries, and Node.js itself. */
const PROCESS = 96;
/** Connections of the HTTP address. */
const HTTP = 64;
/** Connections of the lanes to and from a member, including those being dialled while others are still to be closed. */
const EACH_MEMBER = 12;
/** Least number of members to allow for: a network grows while its nodes run. */
const MEMBERS_MIN = 8;
/** Connections to the team's port from callers that are no members, or not yet known to be. */
const TEAM_STRANGERS = 32;

interface Descriptors {
  /** Limit of open descriptors (RLIMIT_NOFILE, soft). */
  readonly limit: number;
  /** Connections to the team's port. */
  readonly team: number;
  /** Connections of senders and receivers. */
  readonly gateway: number;
}

/** The soft limit of this process (RLIMIT_NOFILE). */
export function descriptorLimit(read: () => string = () => readFileSync(LIMITS_FILE, 'utf8')): number {
  try {
    const soft = /^Max open files\s+(\d+|unlimited)/m.exec(read())?.[1];
    return soft === 'unlimited' ? Infinity : Number(soft ?? UNKNOWN_LIMIT);
  } catch {
    // Only Linux has the file; elsewhere the shares are of an assumed limit.
    return UNKNOWN_LIMIT;
  }
}

/**
 * Divides a limit: the process itself and HTTP have their shares, then the team, strangers have what is left, at most `most`. The team
 * has seven eighths of the rest at most, so that all shares together are within the limit.
 */
export function descriptorShares(limit: number, members: number, most: number): Descriptors {
  const rest = Math.max(2, limit - PROCESS - HTTP);
  const wanted = Math.max(members, MEMBERS_MIN) * EACH_MEMBER + TEAM_STRANGERS;
  const team = Math.max(1, Math.min(most, wanted, Math.floor((rest * 7) / 8)));
  return { limit, team, gateway: Math.max(1, Math.min(most, rest - team)) };
}
