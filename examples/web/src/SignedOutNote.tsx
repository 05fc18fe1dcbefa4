export const SignedOutNote = () => null;
