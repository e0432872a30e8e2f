// The composition roots of node and scheduler, and their settings.

export { openLog, type RunningNode, startNode } from './node.js';
export { forbidCoreFiles, sayCoreFiles } from './process/undumpable.js';
export { createCodes, startScheduler } from './schedulerProcess.js';
export {
  createKeyFiles,
  keyFilesIn,
  loadCertificate,
  loadSigningKey,
  makePrivateDirectory,
  writePrivate,
} from './settings/keyFiles.js';
export { loadMembership, membershipEntry } from './settings/membershipFile.js';
export { loadConfig, type NodeConfig, nodeConfigFile } from './settings/nodeConfig.js';
export { loadSchedulerConfig, schedulerConfigFile } from './settings/schedulerConfig.js';
export { toFloorKeys } from './settings/sections.js';
