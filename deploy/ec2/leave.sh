#!/bin/sh
# Lets an instance go that its Auto Scaling group has chosen, once the daemon has
# ended. Does nothing on an instance that stays: the daemon was only restarted.
#
# GROUP, HOOK and AWS_REGION come from /etc/mosaicd/instance.
set -eu
metadata=${METADATA_URL:-http://169.254.169.254}/latest

token=$(curl -fsS -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$metadata/api/token")
ask() { curl -fsS -H "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/$1"; }

state=$(ask autoscaling/target-lifecycle-state || true) # 404 outside of a group
if [ "$state" != Terminated ]; then
	echo "mosaicd: this instance stays (${state:-of no group})"
	exit 0
fi
aws autoscaling complete-lifecycle-action --region "$AWS_REGION" \
	--auto-scaling-group-name "$GROUP" --lifecycle-hook-name "$HOOK" \
	--instance-id "$(ask instance-id)" --lifecycle-action-result CONTINUE
echo "mosaicd: this instance may go"
