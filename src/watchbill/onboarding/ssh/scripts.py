"""What is done on a machine, as POSIX scripts. Each can be cut off anywhere and run again.

The agent lies in a folder of its version, `current` leads to the one in use, and a link in /usr/local/bin leads to that. A version is
made ready beside them, in `.staging-…`, and comes to its place whole; one that was there before is `.old-…` until the new one serves.
"""

from typing import Final

#: A script begins with these variables, and a function that switches `current` to a version at once.
_PLACES: Final = r"""
LC_ALL=C; export LC_ALL
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH
umask 022
base=/opt/watchbill-agent
data=/var/lib/watchbill-agent
link=/usr/local/bin/watchbill-agent
use() {
  rm -f "$base/.current-new"
  ln -s "$1" "$base/.current-new" || return 1
  mv -fT "$base/.current-new" "$base/current" 2>/dev/null && return 0
  rm -f "$base/current" && mv -f "$base/.current-new" "$base/current"
}
"""

#: Remains of an install that was cut off are put right first; then what is there.
FIND: Final = (
    _PLACES
    + r"""
for one in "$base"/.staging-* "$base"/.current-new; do
  [ -e "$one" ] || [ -L "$one" ] || continue
  rm -rf "$one"; echo wb.tidied=yes
done
for one in "$base"/.old-*; do
  [ -d "$one" ] || continue
  to=$base/${one##*/.old-}
  if [ -d "$to" ]; then rm -rf "$one"; else mv "$one" "$to"; fi
  echo wb.tidied=yes
done
rm -rf /var/tmp/.watchbill-agent-"$owner"-*
if [ -L "$base/current" ] && [ ! -d "$base/current" ]; then rm -f "$base/current"; echo wb.tidied=yes; fi
[ -d "$base" ] && echo wb.base=yes
[ -d "$data" ] && echo wb.data=yes
[ -L "$link" ] || [ -e "$link" ] && echo wb.link=yes
echo "wb.versions=$(ls "$base" 2>/dev/null | tr '\n' ' ')"
echo "wb.current=$(readlink "$base/current" 2>/dev/null)"
[ -e "$data/identity.json" ] && echo wb.identity=yes
for one in state device_id server; do
  said=$(sed -n "s/^ *\"$one\": *\"\([^\"]*\)\".*/\1/p" "$data/identity.json" 2>/dev/null | head -n 1)
  echo "wb.identity_$one=$said"
done
if [ -x "$base/current/watchbill-agent" ]; then
  echo wb.files=yes
  echo "wb.status=$("$base/current/watchbill-agent" service status --json </dev/null 2>/dev/null | tail -n 1)"
fi
exit 0
"""
)

#: Whether the machine reaches the Engine, by the first programs that it has for it. Proxies are not used: the agent uses none.
EGRESS: Final = r"""
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
LC_ALL=C; export LC_ALL
failed=0
has() { command -v "$1" >/dev/null 2>&1; }
limit() { if has timeout; then timeout 15 "$@"; else "$@"; fi; }
judge() {
  if [ "$2" = 0 ]; then echo "wb.reached=$1"; exit 0; fi
  echo "$1 ($2): $3"; echo "wb.tried_$1=yes"
  failed=$((failed+1)); [ $failed -lt 2 ] || exit 0
}
if has curl; then
  said=$(curl -sSk -o /dev/null --max-time 15 "$url" 2>&1 </dev/null); code=$?
  case $code in 6|7|28) failed=1;; esac # no name, no connection, no answer in time: no other program knows better
  judge curl $code "$said"
fi
if has openssl; then
  said=$(echo | limit openssl s_client -connect "$host:$port" 2>&1 | tail -n 40)
  case $said in *"Cipher is (NONE)"*|*"onnect:err"*) code=1;; *"Cipher"*) code=0;; *) code=1;; esac
  judge openssl $code "$(echo "$said" | head -n 5)"
fi
if has python3; then
  said=$(limit python3 -c 'import socket, ssl, sys
c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
c.wrap_socket(socket.create_connection((sys.argv[1].strip("[]"), int(sys.argv[2])), 15)).close()' "$host" "$port" 2>&1 </dev/null | tail -n 1)
  if [ -z "$said" ]; then code=0; else code=1; fi
  judge python3 $code "$said"
fi
if has wget; then
  said=$(limit wget -O /dev/null -T 15 --no-check-certificate "$url" 2>&1 </dev/null); code=$?
  case $code:$said in 8:*|*"ERROR 4"*|*"HTTP/1"*) code=0;; esac
  judge wget $code "$(echo "$said" | tail -n 2)"
fi
if has bash; then
  said=$(limit bash -c 'exec 3<>"/dev/tcp/$1/$2"' sh "${bare}" "$port" 2>&1 </dev/null); judge bash $? "$said"
fi
exit 0
"""

#: A private folder of the user who signed in, by a name of ours. Older ones of his are what was cut off.
MAKE_FOLDER: Final = r"""
umask 077
owner=$(id -u)
for parent in /var/tmp /tmp "$HOME"; do
  rm -rf "$parent/.watchbill-agent-$owner"-* 2>/dev/null
done
for parent in /var/tmp /tmp "$HOME"; do
  mkdir "$parent/.watchbill-agent-$owner-$name" 2>/dev/null || continue
  echo "wb.folder=$parent/.watchbill-agent-$owner-$name"; exit 0
done
exit 1
"""

REMOVE_FOLDER: Final = r"""
for parent in /var/tmp /tmp "$HOME"; do
  rm -rf "$parent/.watchbill-agent-$(id -u)-$name"
done
"""

HASH: Final = r"""
if command -v sha256sum >/dev/null 2>&1; then sum=$(sha256sum "$file")
elif command -v openssl >/dev/null 2>&1; then sum=$(openssl dgst -sha256 -r "$file")
elif command -v shasum >/dev/null 2>&1; then sum=$(shasum -a 256 "$file")
else echo "there is no sha256sum, openssl or shasum on it"; exit 3
fi
echo "wb.sum=${sum%% *}"
"""

#: Unpack beside the place, and let the agent judge where it came from.
UNPACK: Final = (
    _PLACES
    + r"""
mkdir -p "$base" && chown 0:0 "$base" && chmod 755 "$base" || exit 1
staging=$(mktemp -d "$base/.staging-XXXXXXXX") || exit 1
gzip -dc "$folder/package" | tar -xf - -C "$staging" 2>&1 || { rm -rf "$staging"; exit 1; }
top=$staging/watchbill-agent-$version
[ -f "$top/watchbill-agent" ] || { echo "the package has no watchbill-agent-$version/watchbill-agent"; rm -rf "$staging"; exit 4; }
chown -R 0:0 "$top" && chmod -R go-w "$top" || { rm -rf "$staging"; exit 1; }
"$top/watchbill-agent" package verify --archive "$folder/package" --manifest "$folder/manifest" \
  --signature="$signature" --key="$key" </dev/null 2>&1 || { echo "wb.refused=$?"; rm -rf "$staging"; exit 5; }
echo "wb.staging=$staging"
"""
)

#: The version that is in its place is complete at every moment: what is renamed is whole.
INSTALL: Final = (
    _PLACES
    + r"""
top=$staging/watchbill-agent-$version
if [ -e "$link" ] && [ ! -L "$link" ]; then echo "$link is another program"; exit 1; fi
sync -f "$top" 2>/dev/null
if [ -d "$base/$version" ]; then
  rm -rf "$base/.old-$version"; mv "$base/$version" "$base/.old-$version" || exit 1
fi
mv "$top" "$base/$version" || exit 1
rm -rf "$staging"
use "$version" || exit 1
mkdir -p /usr/local/bin && ln -sf "$base/current/watchbill-agent" "$link"
"""
)

ENROL: Final = (
    _PLACES
    + r"""
echo "$code" | "$base/current/watchbill-agent" enroll --server "$server" --code - --no-wait $force 2>&1
echo "wb.exit=$?"
"""
)

SERVICE: Final = (
    _PLACES
    + r"""
"$base/current/watchbill-agent" service install --branch "$branch" </dev/null 2>&1 || exit 1
rm -rf "$base"/.old-*
"""
)

REMOVE_SERVICE: Final = _PLACES + '"$base/current/watchbill-agent" service remove </dev/null 2>&1\n'

#: As it was before: `previous` is the version that was in use, or empty.
ROLL_BACK: Final = (
    _PLACES
    + r"""
[ -z "$serves_anew" ] || "$base/current/watchbill-agent" service remove </dev/null >/dev/null 2>&1
rm -rf "$base"/.staging-*
if [ -d "$base/.old-$version" ]; then
  rm -rf "$base/$version"; mv "$base/.old-$version" "$base/$version"
elif [ -n "$is_placed" ] && [ -z "$had_version" ]; then
  rm -rf "$base/$version"
fi
if [ -n "$previous" ]; then use "$previous"; else rm -f "$base/current"; fi
[ -n "$had_link" ] || rm -f "$link"
[ -n "$had_data" ] || rm -rf "$data" "$data-users"
[ -n "$had_base" ] || rmdir "$base" 2>/dev/null
[ -z "$serves_again" ] || "$base/current/watchbill-agent" service install --branch "$branch" </dev/null >/dev/null 2>&1
exit 0
"""
)

#: The last that the agent said, wherever its service keeps it.
LAST_WORDS: Final = r"""
journalctl -u watchbill-agent -n 20 --no-pager -o cat 2>/dev/null && exit 0
for one in /var/log/watchbill-agent.log /var/log/watchbill-agent/*.log /var/lib/watchbill-agent/*.log; do
  [ -f "$one" ] && tail -n 20 "$one"
done
exit 0
"""
