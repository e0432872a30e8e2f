// Takes this project's HTTP/2 windows away again, for the benchmark that compares them with what grpc-js has by itself: 65,535
// bytes for streams and connections, on both sides. It works from outside, by what Node.js offers to everybody, so that comms
// has no switch for it. Each end reports the windows that its sessions really have.
import type * as http2 from 'node:http2';
import { createRequire } from 'node:module';
import { ownConnection } from '../../transport/index.js';
import type { LinkWindows } from './plan.js';

/** RFC 9113, and what grpc-js leaves as it is. */
export const DEFAULT_WINDOW_BYTES = 65_535;

type Server = http2.Http2SecureServer;

/** What of the module grpc-js calls, as CommonJS code sees it. */
const module = createRequire(import.meta.url)('node:http2') as {
  createSecureServer: (options: http2.SecureServerOptions) => Server;
};

let wanted: LinkWindows = 'wide';
let installed = false;

interface Windows {
  readonly streamWindow: number;
  readonly connectionWindow: number;
}

let served: Windows = { streamWindow: 0, connectionWindow: 0 };

/** What the session of the newest stream that a server of this process has taken gives its peer, bytes. */
export function servedWindows(): Windows {
  return served;
}

/** Noted while the session lives: afterwards it does not say. */
function note({ session }: http2.ServerHttp2Stream): void {
  if (!session) return;
  const { localSettings, state } = session;
  served = {
    streamWindow: localSettings.initialWindowSize ?? 0,
    connectionWindow: state.effectiveLocalWindowSize ?? 0,
  };
}

/** A session whose connection window nobody widens any more. */
function keepWindow(session: http2.Http2Session): void {
  Object.defineProperty(session, 'setLocalWindowSize', { value: () => {} });
}

function install(): void {
  if (installed) return;
  installed = true;
  const serve = module.createSecureServer;
  module.createSecureServer = (options) => {
    const server = serve(options);
    if (wanted === 'default') {
      server.updateSettings({ ...options.settings, initialWindowSize: DEFAULT_WINDOW_BYTES });
      // Before the listener that would widen it.
      server.prependListener('session', keepWindow);
    }
    server.on('stream', note);
    return server;
  };
}

/** Windows of the servers that are made while `work` runs. */
export async function servingWith<T>(windows: LinkWindows, work: () => Promise<T>): Promise<T> {
  install();
  wanted = windows;
  try {
    return await work();
  } finally {
    wanted = 'wide';
  }
}

const OPTION = 'grpc-node.flow_control_window';

/** Windows of the connections that are dialled while `work` runs. */
export async function dialling<T>(windows: LinkWindows, work: () => Promise<T>): Promise<T> {
  const own = ownConnection[OPTION];
  if (windows === 'default') delete ownConnection[OPTION];
  try {
    return await work();
  } finally {
    if (own !== undefined) ownConnection[OPTION] = own;
  }
}
