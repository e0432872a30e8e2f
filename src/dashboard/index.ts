// The scheduler's live page.
export { Dashboard, type LiveView, type RoundTable } from './dashboard.js';
