// The composition roots of node and scheduler, and their settings.

export { logOf, type RunningNode, startNode } from './node.js';
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
export { loadConfig, loadMembership, membershipEntry, type NodeConfig } from './settings/nodeConfig.js';
export { loadSchedulerConfig, SCHEDULER_TEMPLATE } from './settings/schedulerConfig.js';
export { configTemplate, TEMPLATE_DEFAULTS } from './settings/template.js';
