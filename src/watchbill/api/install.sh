#!/bin/sh
# Brings the agent of Watchbill onto this Linux machine: fetches the package for it from the Engine, checks it, unpacks it below
# /opt/watchbill-agent, enrols the machine and has it run as a service. Safe to run again; what fails leaves things as they were.
#
#   curl -fsSk --pinnedpubkey sha256//PIN https://ENGINE/install.sh | sudo sh -s -- --server https://ENGINE --code CODE.PIN --pinnedpubkey sha256//PIN
#
# With curl the pin of the Engine's key is enough, whoever made its certificate. Where there is only wget, this machine must trust
# the Engine's certificate (or the Engine be on this machine): wget -qO- https://ENGINE/install.sh | sudo sh -s -- --server … --code …
set -u
umask 022
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH

HOME_DIR=/opt/watchbill-agent
LINK=/usr/local/bin/watchbill-agent
NEEDED_KIB=204800
server='' code='' pin='' branch=stable
work='' previous='' new='' had_link=no is_served=no enrolment=0

say() { printf '%s\n' "$*"; }
fail() {
  printf 'watchbill: %s\n' "$*" >&2
  exit 1
}

usage() {
  fail "$1. Usage: sh install.sh --server URL --code CODE[.PIN] [--pinnedpubkey sha256//BASE64] [--branch NAME]"
}

# Whatever happened: nothing half-done stays, and what was in use before is in use again.
clean() {
  status=$?
  trap - EXIT HUP INT TERM
  [ "$status" -eq 0 ] || [ -z "$new" ] || put_back
  [ -z "$work" ] || rm -rf "$work"
  rmdir "$HOME_DIR" 2>/dev/null
  exit "$status"
}

put_back() {
  [ "$is_served" = no ] || [ -n "$previous" ] || "$LINK" service remove >/dev/null 2>&1
  rm -rf "${HOME_DIR:?}/$new"
  [ ! -d "$work/replaced" ] || mv "$work/replaced" "$HOME_DIR/$new"
  if [ -n "$previous" ]; then
    point_at "$previous"
    [ "$is_served" = no ] || "$LINK" service install --branch "$branch" >/dev/null 2>&1
  else
    rm -f "$HOME_DIR/current"
    [ "$had_link" = yes ] || rm -f "$LINK"
  fi
}

point_at() {
  rm -f "$HOME_DIR/.current.new"
  ln -s "$1" "$HOME_DIR/.current.new" && mv -T "$HOME_DIR/.current.new" "$HOME_DIR/current"
}

has() { command -v "$1" >/dev/null 2>&1; }

read_options() {
  while [ $# -gt 0 ]; do
    case $1 in
      --server | --code | --pinnedpubkey | --branch) [ $# -ge 2 ] || usage "$1 needs a value" ;;
      *) usage "There is no option $1" ;;
    esac
    case $1 in
      --server) server=${2%/} ;;
      --code) code=$2 ;;
      --pinnedpubkey) pin=$2 ;;
      --branch) branch=$2 ;;
    esac
    shift 2
  done
  case $server in
    https://?* | http://127.* | http://localhost* | http://\[::1\]*) ;;
    http://*) usage "--server must be https://HOST[:PORT] (http:// to this machine only)" ;;
    *) usage "--server must be https://HOST[:PORT]" ;;
  esac
  case ${code%%.*} in
    '' | *[!A-Za-z0-9_-]*) usage "--code must be the enrolment code of a site, as the console shows it" ;;
  esac
  case $branch in
    '' | *[!a-z0-9._-]*) usage "--branch must be lowercase letters, digits, dots, hyphens and underscores" ;;
  esac
  case $pin in
    '' | sha256//?*) ;;
    *) usage "--pinnedpubkey must be sha256// and the base64 of the key's SHA-256" ;;
  esac
}

check_machine() {
  [ "$(id -u)" = 0 ] || fail "Only root can install the agent: run this with sudo, or as root."
  [ "$(uname -s)" = Linux ] || fail "This script is for Linux, and this machine runs $(uname -s)."
  case $(uname -m) in
    x86_64 | amd64) arch=x86_64 ;;
    aarch64 | arm64) arch=aarch64 ;;
    *) fail "There is no agent for machines of the architecture $(uname -m): there is one for x86_64 and for aarch64." ;;
  esac
  glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null)
  glibc=${glibc#glibc }
  [ -n "$glibc" ] || fail "The agent needs glibc, and this system has another C library (such as musl)."
  for tool in tar gzip sha256sum sed mktemp df; do
    has "$tool" || fail "The command $tool is missing on this machine."
  done
  has curl || has wget || fail "Neither curl nor wget is on this machine: install curl."
  if [ -n "$pin" ] && ! has curl; then
    fail "The Engine's certificate is to be known by its key, which needs curl: install curl."
  fi
}

make_room() {
  mkdir -p "$HOME_DIR" "${LINK%/*}" || fail "$HOME_DIR cannot be made."
  free=$(df -Pk "$HOME_DIR" | sed -n '2s/^.*[[:space:]]\([0-9]\{1,\}\)[[:space:]]\{1,\}[0-9]\{1,3\}%.*$/\1/p')
  [ "${free:-0}" -ge "$NEEDED_KIB" ] ||
    fail "There is too little room below $HOME_DIR: ${free:-0} KiB are free, and $NEEDED_KIB are needed."
  work=$(mktemp -d "$HOME_DIR/.install.XXXXXX") || fail "$HOME_DIR cannot be written."
}

# The code goes to the tools by a file that only root can read: arguments are seen by everybody.
fetch() {
  url="$server/api/agent/packages/linux/$arch?branch=$branch"
  if has curl; then
    {
      printf 'header = "Authorization: Enrolment %s"\n' "${code%%.*}"
      [ -z "$pin" ] || printf 'insecure\npinnedpubkey = "%s"\n' "$pin"
    } >"$work/options"
    status=$(curl -sS -K "$work/options" --connect-timeout 15 --max-time 900 -D "$work/headers" -o "$work/package" \
      -w '%{http_code}' "$url" 2>"$work/said")
    ended=$?
    [ "$ended" -ne 90 ] || fail "The server at $server shows another key than the pinned one; nothing was sent to it."
    [ "$ended" -eq 0 ] || fail "The Engine at $server cannot be reached: $(sed -n '$p' "$work/said")"
  else
    printf 'header = Authorization: Enrolment %s\n' "${code%%.*}" >"$work/options"
    WGETRC=$work/options wget -S --content-on-error --tries=1 --timeout=60 -O "$work/package" "$url" 2>"$work/headers"
    status=$(sed -n 's|^ *HTTP/[0-9.]* \([0-9]*\).*|\1|p' "$work/headers" | sed -n '$p')
    [ -n "$status" ] || fail "The Engine at $server cannot be reached: $(sed -n '$p' "$work/headers")"
  fi
  rm -f "$work/options"
  [ "$status" = 200 ] || refused
}

refused() {
  why=$(sed -n 's/.*"detail":"\([^"]*\)".*/\1/p' "$work/package" 2>/dev/null)
  fail "The Engine gives no package (it answered $status): ${why:-no reason was given}"
}

header() {
  sed -n "s/^ *[Xx]-[Ww]atchbill-$1: *//p" "$work/headers" | tr -d '\r' | sed -n '$p'
}

field() {
  sed -n "s/.*\"$1\":\"\\{0,1\\}\\([^\",}]*\\).*/\\1/p" "$work/manifest"
}

check_package() {
  encoded=$(header '[Mm]anifest' | tr '_-' '/+')
  case $((${#encoded} % 4)) in
    2) encoded="$encoded==" ;;
    3) encoded="$encoded=" ;;
  esac
  printf '%s' "$encoded" | base64 -d >"$work/manifest" 2>/dev/null || fail "The Engine's answer cannot be read: it has no manifest."
  version=$(field version)
  case $version in
    '' | *[!0-9A-Za-z.+-]*) fail "The Engine's answer cannot be read: the manifest names no version." ;;
  esac
  needed=$(field glibc)
  if [ "$needed" != null ] && ! is_enough "$glibc" "$needed"; then
    fail "Version $version of the agent needs glibc $needed, and this system has $glibc."
  fi
  printf '%s  %s\n' "$(field sha256)" "$work/package" | sha256sum -c - >/dev/null 2>&1 ||
    fail "The package is not what the Engine said: it was damaged or changed on its way. Run this again."
}

# Whether version $1 is at least $2, both MAJOR.MINOR.
is_enough() {
  [ "${1%%.*}" -gt "${2%%.*}" ] && return 0
  [ "${1%%.*}" -eq "${2%%.*}" ] || return 1
  minor=${1#*.}
  [ "${minor%%.*}" -ge "${2#*.}" ]
}

unpack() {
  tar -xzf "$work/package" -C "$work" --no-same-owner || fail "The package cannot be unpacked."
  program=$work/watchbill-agent-$version/watchbill-agent
  [ -x "$program" ] || fail "The package has no program of the agent."
  said=$("$program" package verify --archive "$work/package" --manifest "$work/manifest" \
    --signature "$(header '[Ss]ignature')" --key "$(header '[Kk]ey')" 2>&1) || fail "The package was refused: $said"
}

put_in_place() {
  previous=$(readlink "$HOME_DIR/current" 2>/dev/null)
  [ ! -L "$LINK" ] || had_link=yes
  new=$version
  if [ -d "$HOME_DIR/$version" ]; then
    mv "$HOME_DIR/$version" "$work/replaced" || fail "$HOME_DIR/$version cannot be replaced."
  fi
  mv "$work/watchbill-agent-$version" "$HOME_DIR/$version" || fail "$HOME_DIR/$version cannot be written."
  point_at "$version" || fail "$HOME_DIR/current cannot be written."
  ln -sf "$HOME_DIR/current/watchbill-agent" "$LINK" || fail "$LINK cannot be written."
  ! has restorecon || restorecon -R "$HOME_DIR" "$LINK" 2>/dev/null || :
}

enrol() {
  printf '%s\n' "$code" | "$LINK" enroll --server "$server" --code - --no-wait >"$work/said" 2>&1
  enrolment=$?
  case $enrolment in
    0 | 6) ;;
    4) say "$(sed -n '$p' "$work/said" | sed 's/^watchbill-agent: /This machine is /; s/; --force.*//')." ;;
    *) fail "The machine was not enrolled: $(sed -n '$p' "$work/said")" ;;
  esac
}

main() {
  read_options "$@"
  check_machine
  trap clean EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  make_room
  fetch
  check_package
  unpack
  put_in_place
  enrol
  is_served=yes
  "$LINK" service install --branch "$branch" >"$work/said" 2>&1 || fail "The service was not installed: $(sed -n '$p' "$work/said")"
  cat "$work/said"
  say "The agent $version is installed."
  [ "$enrolment" -ne 6 ] || say "The machine now waits for approval: an operator of Watchbill says yes to it."
}

# Called at the end, so that a script that was cut off on its way does nothing.
main "$@"
