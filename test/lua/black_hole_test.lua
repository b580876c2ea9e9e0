-- black_hole_test.lua: connecting to a name of which the first address never answers, in network
-- namespaces: nothing of it reaches the network of this machine.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local child = require 'child'

local server = [[
local socket = require 'socket'
assert(socket.tcp_server('10.99.0.2', 7000, function(s) s:write('here') end))
print('ready')
io.stdout:flush()
]]

local client = [[
local fiber, socket = require 'fiber', require 'socket'
local began = fiber.clock()
local s = assert(socket.tcp_connect('twofaced', 7000, 60))
print(fiber.clock() - began, s:peer().host, s:read())
]]

-- Two namespaces, joined by a link. The far one has a server at one of the two addresses, and
-- throws away what is sent to the other, for it does not forward. `ip netns exec` puts the files in
-- /etc/netns/NAME over those in /etc.
local setting = [[
set -e
near=coir-near-$$ far=coir-far-$$
place=$(mktemp -d)
mkfifo "$place/ready"
cleanup() {
  kill $server 2>/dev/null || :
  ip netns del $near || :
  ip netns del $far || :
  rm -rf "$place" /etc/netns/$near
}
server=
trap cleanup EXIT
ip netns add $near
ip netns add $far
ip link add near0 netns $near type veth peer name far0 netns $far
ip -n $near address add 10.99.0.1/24 dev near0
ip -n $near address add 2001:db8:1::1/64 dev near0 nodad
ip -n $far address add 10.99.0.2/24 dev far0
ip -n $far address add 2001:db8:1::2/64 dev far0 nodad
ip -n $near link set near0 up
ip -n $far link set far0 up
ip -n $near -6 route add default via 2001:db8:1::2
mkdir -p /etc/netns/$near
printf '2001:db8:2::1 twofaced\n10.99.0.2 twofaced\n' > /etc/netns/$near/hosts
ip netns exec $far "$0" -e '$SERVER' > "$place/ready" &
server=$!
read -r line < "$place/ready"
ip netns exec $near "$0" -e '$CLIENT'
]]

--- A script in single quotes.
local function quoted(script) return (script:gsub("'", "'\\''")) end

local function may_make_namespaces()
  local name = 'coir-probe'
  local result = child.shell(('ip netns add %s && ip netns exec %s true'):format(name, name))
  child.shell(('ip netns del %s'):format(name))
  return result.code == 0, result.err
end

local possible, why = may_make_namespaces()
if possible then
  test.case('it costs the delay of an attempt, not the patience of TCP', function()
    local script = setting:gsub('%$(%u+)', { SERVER = quoted(server), CLIENT = quoted(client) })
    local result = child.shell(script)
    test.equal(result.err, '')
    local seconds, host, said = result.out:match('^(%S+)\t(%S+)\t(%S+)\n$')
    test.equal({ host, said }, { '10.99.0.2', 'here' })
    print(('connected after %.3f s'):format(seconds))
    test.ok(tonumber(seconds) > 0.24 and tonumber(seconds) < 10, seconds)
  end)
  test.finish()
else
  test.skip('a black hole', 'network namespaces cannot be made: ' .. why:gsub('\n$', ''))
end
