// Removes this project's HTTP/2 windows, for the benchmark that compares them with those of grpc-js: 65,535 bytes for streams and
// connections, on both sides. It works from outside, through public functions of Node.js, so that comms needs no switch for it.
// Each end reports the actual windows of its sessions.
import type * as http2 from 'node:http2';
import { createRequire } from 'node:module';
import { ownConnection } from '../../transport/index.js';
import type { LinkWindows } from './plan.js';

/** The default of RFC 9113, which grpc-js does not change. */
export const DEFAULT_WINDOW_BYTES = 65_535;

type Server = http2.Http2SecureServer;

/** The part of the module that grpc-js calls, as CommonJS code sees it. */
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

/** Windows that the session of this process's newest incoming stream grants its peer, bytes. */
export function servedWindows(): Windows {
  return served;
}

/** Records the windows while the session lives: afterwards they cannot be read. */
function note({ session }: http2.ServerHttp2Stream): void {
  if (!session) return;
  const { localSettings, state } = session;
  served = {
    streamWindow: localSettings.initialWindowSize ?? 0,
    connectionWindow: state.effectiveLocalWindowSize ?? 0,
  };
}

/** Keeps the connection window of a session from being widened. */
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

/** Sets the windows of the servers that are made while `work` runs. */
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

/** Sets the windows of the connections that are dialled while `work` runs. */
export async function dialling<T>(windows: LinkWindows, work: () => Promise<T>): Promise<T> {
  const own = ownConnection[OPTION];
  if (windows === 'default') delete ownConnection[OPTION];
  try {
    return await work();
  } finally {
    if (own !== undefined) ownConnection[OPTION] = own;
  }
}
