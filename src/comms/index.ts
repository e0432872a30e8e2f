// Messages of all parties on the wire: team, gateway and scheduler services and their clients.
export { GatewayClient } from './gateway/client.js';
export { addGatewayService } from './gateway/service.js';
export { decodeUpdate, encodeUpdate } from './roundCodec.js';
export { SCHEDULER_ID, SchedulerClient } from './scheduler/client.js';
export { addSchedulerService, type SchedulerFeed } from './scheduler/service.js';
export { encodeEnvelope } from './team/codec.js';
export { TEAM_HOST_OPTIONS, TeamLink } from './team/link.js';
export { addTeamService } from './team/service.js';
