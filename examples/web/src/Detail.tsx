export default function Detail({ id }: { id: string; onClose: () => void; onOpen: (id: string) => void; now: string }) { return <aside aria-label="Task">{id}</aside>; }
