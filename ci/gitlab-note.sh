#!/usr/bin/env bash
# Write FILE as a note on the merge request of this GitLab job, or replace the one of the same gate: gitlab-note.sh FILE
#
# Needs $REPRO_TOKEN, a project access token with scope api, and what GitLab sets in a merge request pipeline. Whose note
# it is: the one of the token's own user that begins with the first line of FILE. Needs curl and Python 3.
set -euo pipefail

file=$1
for variable in REPRO_TOKEN CI_API_V4_URL CI_PROJECT_ID CI_MERGE_REQUEST_IID; do
  if [ -z "${!variable:-}" ]; then
    echo "gate: no note: \$$variable is not set" >&2
    exit 0
  fi
done
notes=$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes

ask() { # curl with the token, which is not to be seen among the arguments
  printf 'PRIVATE-TOKEN: %s\n' "$REPRO_TOKEN" |
    curl --silent --show-error --fail --max-time 60 --retry 2 --header @- "$@"
}

# the id of our note on a page of them, `next` where the page is full and there may be more, else nothing
find_note='
import json, os, sys
page = json.loads(sys.stdin.buffer.read())
for note in page:
    if note["author"]["id"] == int(os.environ["ME"]) and note["body"].splitlines()[:1] == [os.environ["MARK"]]:
        sys.exit(print(int(note["id"])))
print("next" if len(page) == 100 else "")
'
ME=$(ask "$CI_API_V4_URL/user" | "${PYTHON:-python3}" -c 'import json, sys; print(int(json.load(sys.stdin)["id"]))')
MARK=$(head -n 1 -- "$file")
export ME MARK
for ((page = 1; page <= 100; page++)); do
  note=$(ask "$notes?per_page=100&page=$page&sort=asc&order_by=created_at" | "${PYTHON:-python3}" -c "$find_note")
  if [ "$note" != next ]; then break; fi
done

if [ -n "$note" ] && [ "$note" != next ]; then
  ask --request PUT --data-urlencode "body@$file" --output /dev/null "$notes/$note"
else
  ask --request POST --data-urlencode "body@$file" --output /dev/null "$notes"
fi
