export const SyncState = ({ onOpen }: { onOpen: () => void }) => <button className="quiet" onClick={onOpen}>All saved</button>;
