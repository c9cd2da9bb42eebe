import type { Role } from "@/api/operators";

export const ROLES: Readonly<Record<Role, { label: string; about: string }>> = {
  admin: { label: "Admin", about: "Every site, and everything, this screen too." },
  operator: { label: "Operator", about: "Works with the sites that are given." },
  viewer: { label: "Viewer", about: "Sees the sites that are given, and changes nothing." },
};

export const ROLE_NAMES: readonly Role[] = ["admin", "operator", "viewer"];
