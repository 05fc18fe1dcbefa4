import { lazy, Suspense } from "react";
import { DeviceProvider } from "./device";
import { useSession } from "./session";

const SignIn = lazy(() => import("./SignIn"));

export function App() {
  const { person, isKnown } = useSession();
  if (!isKnown) return null;
  return person ? (
    <DeviceProvider key={person.id} person={person} fallback={null}>
      <main />
    </DeviceProvider>
  ) : (
    <Suspense fallback={null}>
      <SignIn />
    </Suspense>
  );
}
