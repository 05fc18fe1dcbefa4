export default function Help(_: { onClose: () => void }) { return null; }
