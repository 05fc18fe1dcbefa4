import { Component, type ReactNode } from "react";

/** What shows where the page itself has failed: what was done is kept, and a fresh page has it. */
export class Boundary extends Component<{ children: ReactNode }, { hasFailed: boolean }> {
  state = { hasFailed: false };

  static getDerivedStateFromError() {
    return { hasFailed: true };
  }

  render() {
    if (!this.state.hasFailed) return this.props.children;
    return (
      <main className="empty" role="alert">
        <h1>Something went wrong on this page</h1>
        <p>What you did is kept on this device.</p>
        <button type="button" className="main" onClick={() => location.reload()}>
          Load it again
        </button>
      </main>
    );
  }
}
