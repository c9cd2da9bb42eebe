/// <reference types="vitest/config" />
import react from "@vitejs/plugin-react";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

/**
 * `WATCHBILL_DEV_ENGINE=http://127.0.0.1:8470 npm run dev` works against a running Engine: its API, its cookies, its events;
 * `npm run dev:mock` without one.
 */
const isMock = process.env["WATCHBILL_DEV_ENGINE"] === "mock";
// Loaded only where it is asked for: a build knows nothing of it.
const mock = isMock ? [(await import("./mock/plugin.ts")).mockEngine(Number(process.env["MOCK_JOBS"] ?? 60))] : [];
const engine = process.env["WATCHBILL_DEV_ENGINE"] ?? "http://127.0.0.1:8470";

export default defineConfig({
  plugins: [react(), ...mock],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  html: { cspNonce: "__NONCE__" },
  build: {
    outDir: "../src/watchbill/console",
    emptyOutDir: true,
    // Nothing becomes a data: URL, which the policy allows for images alone.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    manifest: "manifest.json",
    chunkSizeWarningLimit: 1000,
  },
  server: {
    host: "127.0.0.1",
    ...(isMock ? {} : { proxy: { "/api": { target: engine, changeOrigin: false } } }),
  },
  test: {
    environment: "jsdom",
    globals: false,
    include: ["src/**/*.test.{ts,tsx}", "tests/**/*.test.{ts,tsx}", "mock/**/*.test.ts"],
    setupFiles: ["tests/setup.ts"],
    restoreMocks: true,
  },
});
