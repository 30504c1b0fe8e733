#!/usr/bin/env bash
# What `make up`, `make down`, `make logs` and `make ps` do. Files, project and ports may be changed by Compose's own
# variables (COMPOSE_FILE, COMPOSE_PROJECT_NAME) and by those of docker-compose.yml.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*"; }
die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# at_least WANTED VERSION: whether the version (v2.24.0, 26.1.5+dfsg1) is the wanted one (2.24) or newer.
at_least() {
    local version=${2#v}
    [ "$(printf '%s\n' "$1" "$version" | sort -V | head -1)" = "$1" ]
}

# The number and the token that the simulator knows; both are worth nothing at Meta.
readonly SIMULATED=200300400500600
readonly DEMO_SETTINGS=.local/demo.env

needs_docker() {
    local engine compose
    command -v docker > /dev/null ||
        die "Docker is missing. Install Docker Engine 25 or newer with the Compose plugin, or use make run, which needs neither."
    engine=$(docker version --format '{{.Server.Version}}' 2> /dev/null) ||
        die "The Docker engine does not answer. Is it running, and may you use it (docker info)?"
    compose=$(docker compose version --short 2> /dev/null) ||
        die "Docker has no Compose. Install its Compose plugin, 2.24 or newer."
    at_least 25 "$engine" || die "The Docker engine is too old: $engine. Install 25 or newer."
    at_least 2.24 "$compose" || die "Docker Compose is too old: $compose. Install 2.24 or newer."
}

has_simulator() { [[ ${DEMO:-} != "" && $DEMO != 0 ]]; }

up() {
    readable
    make --no-print-directory secrets
    not_read
    say "Building the images; the first time this takes minutes."
    docker compose --profile tools build --quiet || die "An image could not be built; the reason is above."
    database_users
    if has_simulator; then nobody_else; fi
    metas_place
    restart_changed
    docker compose up --detach --wait --wait-timeout 300 || not_ready
    reload
    if has_simulator; then demo; fi
    addresses
}

# The containers' users are others than the one who made the clone.
readable() {
    local hidden
    hidden=$(find deploy/{nginx,prometheus,rabbitmq,mongodb,grafana} \( ! -perm -o=r -o -type d ! -perm -o=x \) -print)
    [ -z "$hidden" ] ||
        die "Containers may not read ${hidden%%$'\n'*}, for one. Let everybody read these files: chmod -R o+rX deploy"
}

# Before the services, which wait for their user: what the image does when the database is new may have been cut off, or
# MONGODB_DATABASE may be another one now. Harmless when all is well.
database_users() {
    local told code=0
    docker compose up --detach --wait --wait-timeout 300 mongodb || not_ready
    told=$(in_mongodb user.js) || code=$?
    case $code in
        0) [[ $told != *"was made"* ]] || say "$told" ;;
        3) die "$told
Its volume was made with another one. If you have that, put it into secrets/mongodb_root_password and call: make up
If nothing in it is needed, begin with an empty one:
    docker compose rm --force --stop mongodb
    docker volume rm $(volume_of_mongodb)
    make up" ;;
        *) die "${told:+$told
}MongoDB did not take the user attache; the reason is above. Look at: make logs SERVICE=mongodb" ;;
    esac
}

in_mongodb() { docker compose exec --no-TTY mongodb mongosh --quiet --nodb "/attache/$1"; }

volume_of_mongodb() {
    docker inspect --format '{{range .Mounts}}{{if eq .Destination "/data/db"}}{{.Name}}{{end}}{{end}}' \
        "$(docker compose ps --quiet mongodb)"
}

# With the simulator in Meta's place, the attachments of all other numbers would fail.
nobody_else() {
    local numbers number
    numbers=$(in_mongodb numbers.js) || die "The saved numbers could not be read; the reason is above."
    for number in $numbers; do
        [ "$number" = "$SIMULATED" ] ||
            die "The number $number is saved here, and DEMO=1 would fetch its attachments from the simulator. Call make up without DEMO=1, or try the simulator beside it, without containers: make demo"
    done
}

# Who stands in Meta's place, in a file that every later command reads, too.
metas_place() {
    if has_simulator; then
        mkdir -p .local
        printf '%s\n' WHATSAPP_GRAPH_URL=http://simulator:8090 WHATSAPP_ALLOW_HTTP_GRAPH=true > "$DEMO_SETTINGS"
    elif [ -e "$DEMO_SETTINGS" ]; then
        docker compose --profile demo rm --force --stop simulator
        rm "$DEMO_SETTINGS"
        say "The demo has ended: media are fetched from Meta again. To forget the demo's number as well:
    docker compose run --rm attache instance-delete $SIMULATED"
    fi
}

# Secrets that somebody put into .env, as `make run` has them.
not_read() {
    local file name
    [ -e .env ] || return 0
    for file in secrets/*; do
        name=$(basename "$file" | tr '[:lower:]' '[:upper:]')
        if grep -q "^$name=." .env; then
            say "$name in .env is not read by Compose; put it into $file" >&2
        fi
    done
}

# Compose makes a container anew when its part of docker-compose.yml has changed, not when a file that it mounts has.
# These read their files only when they start.
restart_changed() {
    local service container started
    for service in rabbitmq grafana; do
        container=$(docker compose ps --quiet "$service" 2> /dev/null) || continue
        [ -n "$container" ] || continue
        started=$(docker inspect --format '{{.State.StartedAt}}' "$container")
        if [ -n "$(find "deploy/$service" -newermt "${started%%.*}Z" -print)" ]; then
            say "deploy/$service has changed since $service was started: it is started anew."
            docker compose restart "$service"
        fi
    done
}

# These read their files again when they are told to.
reload() {
    local service told
    for service in nginx prometheus alertmanager; do
        if [ -n "$(docker compose ps --quiet "$service" 2> /dev/null)" ]; then
            told=$(docker compose kill --signal HUP "$service" 2>&1) || die "$told
$service could not be told to read its configuration again. Start it anew: docker compose restart $service"
        fi
    done
}

demo() {
    printf demo-access-token | docker compose run --rm --no-TTY attache instance-set "$SIMULATED" --name "Simulator"
    docker compose --profile demo up --detach --build --wait simulator || not_ready
}

readonly STATE='{{index .Config.Labels "com.docker.compose.service"}} {{.State.Status}},{{.State.ExitCode}},{{if .State.Health}}{{.State.Health.Status}}{{else}}-{{end}}'

not_ready() {
    local container service state
    docker compose --profile demo ps --all >&2 || true
    for container in $(docker compose --profile demo ps --all --quiet); do
        read -r service state < <(docker inspect --format "$STATE" "$container") || continue
        case $state in
            running,*,healthy | running,*,- | exited,0,- | created,*) continue ;;
        esac
        printf '\n%s is not healthy. The end of its log (make logs SERVICE=%s):\n' "$service" "$service" >&2
        docker logs --tail 5 "$container" >&2 || true
    done
    die "
Not everything became healthy; what is above says why.
A port that is taken is named further up; choose another with HTTP_PORT or GRAFANA_PORT in .env. Then: make up"
}

addresses() {
    say "
Everything is healthy.

Webhook for Meta   http://$(docker compose port nginx 8080)/webhooks/whatsapp   (verify token: secrets/whatsapp_verify_token)
API                http://$(docker compose port nginx 8080)/api/openapi.json   (bearer: secrets/operator_token, secrets/admin_token)"
    if [ -n "$(docker compose ps --quiet grafana 2> /dev/null)" ]; then
        say "Grafana            http://$(docker compose port grafana 3000)/   (admin, secrets/grafana_admin_password)"
    fi
    if has_simulator; then
        say "
The simulator has sent one of each kind, of which three fail on purpose; again with: docker compose restart simulator
See them: curl -H \"Authorization: Bearer \$(cat secrets/operator_token)\" http://$(docker compose port nginx 8080)/api/conversations
Until the next make up without DEMO=1 media are fetched from it, not from Meta."
    else
        say "
Put a reverse proxy with TLS in front. Save the access token of a number with:
    make instance-set NUMBER=… COMPOSE=1 < token.txt"
    fi
}

something_runs() {
    [ -n "$(docker compose --profile demo ps --all --quiet)" ] || die "Nothing is running. Start it with: make up"
}

logs() {
    local services service
    services=" $(docker compose --profile demo config --services | tr '\n' ' ')"
    for service in "$@"; do
        [[ $services == *" $service "* ]] || die "There is no service $service. There are:$services"
    done
    something_runs
    docker compose --profile demo logs --follow --tail 200 "$@"
}

case ${1:-} in
    up) needs_docker && up ;;
    down) needs_docker && docker compose --profile tools --profile demo down --remove-orphans ;;
    logs) needs_docker && logs "${@:2}" ;;
    ps) needs_docker && something_runs && docker compose --profile demo ps --all ;;
    *) die "usage: deploy/compose.sh up|down|logs [SERVICE…]|ps" ;;
esac
