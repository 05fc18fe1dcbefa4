export * from "../../../../clients/typescript/src/things";
