import { Suspense, type ReactNode } from "react";

import "./style.css";

export const metadata = { title: "Tasks" };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        {/* With `cacheComponents` Next.js builds no page that waits for who asks, unless it is in one of these. */}
        <Suspense>{children}</Suspense>
      </body>
    </html>
  );
}
