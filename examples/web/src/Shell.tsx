/** What shows until there is more: the same as index.html has it. */
export const Shell = () => (
  <div className="shell" aria-busy="true">
    <div />
    <main>
      <p>Tasks</p>
    </main>
  </div>
);
