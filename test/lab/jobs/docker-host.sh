#!/bin/sh
# A Docker host from docker-machine, on the native VMM, through its life.
# usage: docker-host.sh PROJECT DOCKER_MACHINE DOCKER ISO BUSYBOX COMMAND_LINE
set -eu
project=$1 machine=$2 docker=$3 iso=$4 busybox=$5 command_line=$6
export HOME=/tmp/home MACHINE_STORAGE_PATH=/tmp/store PATH="$project/dist/bin:$PATH" MACHINE_BUGSNAG_API_TOKEN=no-report
mkdir -p "$HOME" "$MACHINE_STORAGE_PATH"
step() { echo "STEP $* $(cut -d' ' -f1 /proc/uptime)"; }
vmm_log() { sed 's/^/log: /' "$MACHINE_STORAGE_PATH"/machines/dev/*.log | tail -n 40; }

step create
"$machine" --native-ssh create -d hyperkit --hyperkit-engine native --hyperkit-cpu-count 1 \
  --hyperkit-boot2docker-url "$iso" --hyperkit-cmdline "$command_line" dev || { vmm_log; exit 1; }
echo "BACKEND $(ps w | grep -c '[q]emu')"
step docker
eval "$("$machine" env --shell bash dev)"
"$docker" load -i "$busybox"
echo "SAID $("$docker" run --rm busybox echo hello from the machine)"
step publish
"$docker" run -d -p 8085:8085 busybox \
  sh -c 'mkdir /www; echo by a published port >/www/index.html; httpd -f -p 8085 -h /www' >/dev/null
url="http://$("$machine" ip dev):8085/" tries=60
until said=$(wget -q -O - "$url") || [ $((tries -= 1)) -eq 0 ]; do sleep 1; done
echo "PUBLISHED $said"
sed -n 's/.* sandbox:/SANDBOX/p' "$MACHINE_STORAGE_PATH"/machines/dev/hyperkit.log
step ssh
echo "SSH $("$machine" --native-ssh ssh dev uname -s)"
step stop
"$machine" stop dev
echo "STATUS $("$machine" status dev)"
step end
