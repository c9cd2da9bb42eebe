import js from "@eslint/js";
import { createTypeScriptImportResolver } from "eslint-import-resolver-typescript";
import { importX } from "eslint-plugin-import-x";
import jsxA11y from "eslint-plugin-jsx-a11y";
import reactHooks from "eslint-plugin-react-hooks";
import { readdirSync } from "node:fs";
import tseslint from "typescript-eslint";

// pages → features → api → lib, ui → lib; features never import each other; pages compose.
const features = readdirSync("src/features", { withFileTypes: true })
  .filter((one) => one.isDirectory())
  .map((one) => one.name);
const zones = [
  { target: "./src/lib", from: ["./src/api", "./src/ui", "./src/features", "./src/pages"], message: "lib stands on nothing." },
  { target: "./src/api", from: ["./src/ui", "./src/features", "./src/pages"], message: "api stands on lib alone." },
  { target: "./src/ui", from: ["./src/api", "./src/features", "./src/pages"], message: "ui stands on lib alone." },
  { target: "./src/features", from: ["./src/pages"], message: "Pages compose features." },
  ...features.map((name) => ({
    target: `./src/features/${name}`,
    from: features.filter((other) => other !== name && other !== "shell").map((other) => `./src/features/${other}`),
    message: "Features do not know each other: a page puts them together.",
  })),
];

export default tseslint.config(
  { ignores: ["src/api/generated", "node_modules"] },
  js.configs.recommended,
  {
    files: ["**/*.{ts,tsx}"],
    extends: [...tseslint.configs.strictTypeChecked, jsxA11y.flatConfigs.strict, reactHooks.configs.flat.recommended],
    plugins: { "import-x": importX },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    settings: {
      "import-x/resolver-next": [createTypeScriptImportResolver({ project: "./tsconfig.json" })],
    },
    rules: {
      "max-lines": ["error", { max: 300, skipBlankLines: true, skipComments: true }],
      "import-x/no-restricted-paths": ["error", { zones }],
      "import-x/no-cycle": ["error", { maxDepth: 8 }],
      "no-restricted-syntax": ["error", { selector: "ExportAllDeclaration", message: "No barrels." }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/only-throw-error": [
        "error",
        { allow: [{ from: "package", package: "@tanstack/router-core", name: "Redirect" }] },
      ],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      // The table and the virtual list hand out functions that change inside; nothing is compiled by React's compiler here.
      "react-hooks/incompatible-library": "off",
    },
  },
  {
    files: ["scripts/*.mjs", "*.js"],
    languageOptions: { globals: { console: "readonly", process: "readonly", URL: "readonly" } },
  },
);
