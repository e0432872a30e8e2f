// The live page of a scheduler: one document without external parts, fed by server-sent events. It shows nodes, stages and stock, and
// nothing about a sender, a slot or a single message: a mixnet's own telemetry can deanonymise.

/** Allows scripts and styles of this document only, and connections to its own origin only. */
export const PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";

export const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Millrace</title>
<style>
  :root { color-scheme: light dark; --ink: #1d2733; --soft: #6b7a8c; --line: #d8dfe7; --pre: #3b82c4; --stand: #9aa7b5; --real: #d9822b; --bad: #c0392b; }
  @media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --soft: #93a1b0; --line: #2f3a46; } body { background: #12181f; } }
  body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.2rem; margin: 0 0 1rem; }
  #state { color: var(--soft); font-weight: normal; }
  dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: 1rem; margin: 0 0 1.5rem; }
  dl div { border-top: 2px solid var(--line); padding-top: .4rem; }
  dt { color: var(--soft); font-size: .85rem; } dd { margin: 0; font-size: 1.6rem; font-variant-numeric: tabular-nums; }
  .node { display: grid; grid-template-columns: 8rem 5.5rem 4.5rem 1fr; gap: .8rem; align-items: center; padding: .25rem 0; border-top: 1px solid var(--line); }
  .name { font-family: ui-monospace, monospace; font-size: .85rem; } .status { color: var(--soft); font-size: .85rem; }
  .lane { position: relative; height: 1.5rem; overflow: hidden; border-radius: 3px; background: color-mix(in srgb, var(--line) 45%, transparent); }
  .lane i { position: absolute; border-radius: 2px; min-width: 2px; } .key .pre { background: var(--pre); } .key .real { background: var(--real); }
  .lane .r { top: 2px; height: .55rem; background: var(--real); } .lane .p { bottom: 2px; height: .55rem; background: var(--pre); opacity: .55; }
  .inactive .status, .banned .status, .sittingOut .status { color: var(--bad); }
  .key { color: var(--soft); font-size: .85rem; margin-top: 1rem; } .key b { display: inline-block; width: .8rem; height: .8rem; border-radius: 3px; margin: 0 .3rem 0 1rem; background: var(--stand); }
</style>
<h1>Millrace <span id="state">connecting</span></h1>
<dl id="figures"></dl>
<div id="nodes"></div>
<p class="key">The last minute, now at the right.<b class="real"></b>mixing<b class="pre"></b>precomputing, darker where rounds overlap. In front of each lane: precomputing · ready · taking or mixing messages.</p>
<script>
  const element = (tag, className, text) => Object.assign(document.createElement(tag), { className: className || '', textContent: text === undefined ? '' : text });
  const percent = (share) => share === null ? '–' : Math.round(100 * share) + ' %';
  function figures(view) {
    return [['rounds a minute', view.roundsPerMinute.toFixed(1)], ['completed', view.completed], ['failed', view.failed], ['ready', view.stock + ' of ' + view.stockTarget],
      ['precomputing', view.precomputing], ['in realtime', view.realtime], ['realtime waited', view.waited], ['overlap', percent(view.overlapShare)]];
  }
  function show(view) {
    document.getElementById('figures').replaceChildren(...figures(view).map(([name, value]) => {
      const entry = element('div');
      entry.append(element('dt', '', name), element('dd', '', value));
      return entry;
    }));
    document.getElementById('nodes').replaceChildren(...view.nodes.map((node) => {
      const row = element('div', 'node ' + node.status);
      row.title = [node.node, 'engine ' + (node.engine || 'unknown'), 'busy ' + percent(node.busyShare), 'round trip to others ' + (node.roundTripMs === null ? '–' : node.roundTripMs + ' ms'), 'to blame for ' + node.blamed + ' of its last rounds'].join('\\n');
      const lane = element('div', 'lane');
      for (const [round, kind, from, to] of view.timeline[node.node] || []) {
        const bar = element('i', kind);
        bar.style.left = 100 - Math.min(from, 600) / 6 + '%';
        bar.style.width = (Math.min(from, 600) - to) / 6 + '%';
        bar.title = 'round ' + round;
        lane.append(bar);
      }
      const count = (...stages) => stages.reduce((sum, stage) => sum + (node.stages[stage] || 0), 0);
      const counts = [count('PENDING', 'PRECOMPUTING'), count('STANDBY'), count('QUEUED', 'REALTIME')].join(' · ');
      row.append(element('span', 'name', node.node.slice(0, 12)), element('span', 'status', node.status), element('span', 'status', counts), lane);
      return row;
    }));
  }
  const events = new EventSource('/events');
  const state = document.getElementById('state');
  events.onopen = () => { state.textContent = 'live'; };
  events.onerror = () => { state.textContent = 'away, trying again'; };
  events.onmessage = (event) => show(JSON.parse(event.data));
</script>
</html>
`;
