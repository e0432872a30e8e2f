// A worker for the pool's tests: acts on the `kernel` field of a job instead of computing.
export default function handle(job) {
  if (job.kind === 'dispose') {
    Atomics.add(job.arrived, 0, 1);
    return [undefined];
  }
  if (job.kernel === 'exit') process.exit(3);
  if (job.kernel === 'throw') {
    setTimeout(() => {
      throw new Error('thrown outside of a job');
    }, 0);
    return new Promise(() => {});
  }
  if (job.kernel === 'refuse') return ['cannot', undefined];
  return [undefined];
}
