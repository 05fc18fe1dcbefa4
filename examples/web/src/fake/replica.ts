import type { Things } from "./things";
export interface Replica { things(): Things; state(): { isFilled: boolean; isLive: boolean; isOnline: boolean; cursor: string | null }; subscribe(listener: () => void): () => void }
