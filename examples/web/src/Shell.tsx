/** What shows until there is more, just as index.html has it. */
export const Shell = () => (
  <div className="shell" aria-busy="true">
    <div>Tasks</div>
    <main>
      <i />
      <i />
      <i />
      <i />
      <i />
    </main>
    <section>Sign in</section>
  </div>
);
