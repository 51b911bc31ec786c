#!/bin/sh
# Sees to it that a program which the tests need is on this machine:
#
#   sh vendor/need.sh postgresql|java|chromium|strace
#
# What is missing is installed from Debian's packages, after a line that says so, where this is root
# on Debian or its kin; else a line says what to run, and the exit code is 1.
set -eu

has_postgresql() {
	command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}

# A program called java that cannot run is none.
has_java() {
	version=$(java -version 2>&1 | sed -nE 's/.* version "([0-9]+).*/\1/p' | head -1)
	[ "${version:-0}" -ge 17 ]
}

has_chromium() {
	for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
		test -n "$name" && command -v "$name" >/dev/null && return 0
	done
	return 1
}

has_strace() {
	command -v strace >/dev/null
}

case "$1" in
postgresql) name="PostgreSQL's server" packages=postgresql ;;
java) name="Java 17 or later, for the Kafka broker and Flink" packages=openjdk-17-jre-headless ;;
chromium)
	name="Chromium (or a browser that CHROMIUM names)"
	packages="chromium fonts-dejavu-core"
	;;
strace) name="strace" packages=strace ;;
*)
	echo "need.sh: $1 is not known" >&2
	exit 2
	;;
esac

"has_$1" && exit 0
if ! command -v apt-get >/dev/null; then
	echo "$name is missing, and tests need it: install it (on Debian: apt-get install $packages)" >&2
	exit 1
fi
# Debian 13 has a later one alone.
if [ "$1" = java ] && ! apt-cache show openjdk-17-jre-headless >/dev/null 2>&1; then
	packages=default-jre-headless
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "$name is missing, and tests need it: run sudo apt-get install $packages" >&2
	exit 1
fi
echo "$name is missing, and tests need it: installing Debian's $packages" >&2
if [ "$1" = postgresql ] && ! [ -e /etc/postgresql-common/createcluster.conf ]; then
	# Its programs alone: tests start servers of their own.
	mkdir -p /etc/postgresql-common
	echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # several words are several packages
apt-get install -y -qq --no-install-recommends $packages >/dev/null
"has_$1" || {
	echo "$packages is installed, and $name is not there all the same" >&2
	exit 1
}
