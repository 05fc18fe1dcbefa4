export default function Waiting(_: { onClose: () => void }) { return null; }
