export default function Picker(_: { kind: "date" | "labels" | "list" | "priority"; ids: string[]; anchor: HTMLElement | null; onClose: () => void }) { return null; }
