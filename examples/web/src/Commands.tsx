export default function Commands(_: { onClose: () => void }) { return null; }
