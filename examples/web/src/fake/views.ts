export * from "../../../../clients/typescript/src/views";
