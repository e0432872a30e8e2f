// The measurements of `millrace bench` and `millrace doctor`.
export { compare } from './compare/compare.js';
export { drawPlot } from './compare/plot.js';
export { comparisonReport, engineReport, precomputeReport } from './compare/report.js';
export { doctorReport, examineEngines } from './doctor.js';
export { benchEngine } from './engine/engine.js';
export { readCheck } from './gpu/check.js';
export { benchGpu, type Compliance, defaultThreads } from './gpu/gpu.js';
export { gpuReport } from './gpu/report.js';
export { runLinkEnd } from './link/end.js';
export { benchLink } from './link/link.js';
export { type LinkOptions, type LinkWindows, PAYLOADS, PAYLOADS_MAX, WINDOWS } from './link/plan.js';
export { linkPlot } from './link/plot.js';
export { linkReport } from './link/report.js';
export { cardState, cpuSlug } from './machine.js';
export { benchOptions, gpuShape, type RawBenchOptions, type RawGpuOptions } from './options.js';
export { benchPrecompute } from './round/precompute.js';
