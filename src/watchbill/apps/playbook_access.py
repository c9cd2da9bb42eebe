"""How the Engine enters devices for playbooks: by stored credentials or the account that agents keep for it, through their tunnels."""
