--- nameserver.lua: a DNS server (nsd) on a free port of this machine, with a zone of the test's.
local here = arg[0]:match('^.*/') or './'
package.path = ('%s?.lua;%s../peers/?.lua;%s../lua/?.lua;%s')
  :format(here, here, here, package.path)

local dns = require 'coir.dns'
local fiber = require 'fiber'
local peer = require 'peer'

local nameserver = {}
nameserver.__index = nameserver

local config = [[
server:
  ip-address: 127.0.0.1@%d
  do-ip6: no
  server-count: 1
  username: ""
  zonesdir: "%s"
  pidfile: "%s/nsd.pid"
  xfrdfile: "%s/xfrd.state"
  zonelistfile: "%s/zone.list"
  database: ""
  rrl-ratelimit: 0
  ipv4-edns-size: 1232
remote-control:
  control-enable: no
zone:
  name: test
  zonefile: test.zone
zone:
  name: broken.test
  zonefile: missing.zone
]]

local head = [[
$ORIGIN test.
$TTL 300
@ IN SOA ns.test. admin.test. 1 3600 600 86400 5
@ IN NS ns.test.
ns IN A 127.0.0.1
]]

local function write(path, text)
  local file <close> = assert(io.open(path, 'w'))
  file:write(text)
end

--- Starts a server whose zone `test` has these lines. Everything under broken.test is SERVFAIL.
--- The resolver of this program asks it from now on.
--- @param lines string in the format of zone files, RFC 1035
--- @param port? integer to listen on
function nameserver.start(lines, port)
  local folder = peer.folder()
  local self = setmetatable({ folder = folder, port = port or peer.free_port() }, nameserver)
  write(folder .. '/test.zone', head .. lines)
  write(folder .. '/nsd.conf', config:format(self.port, folder, folder, folder, folder))
  write(folder .. '/resolv.conf', 'nameserver 127.0.0.1\n')
  self.process = peer.start(('nsd -d -c %s/nsd.conf'):format(folder), folder .. '/log')
  self.address = '127.0.0.1:' .. self.port
  dns.files { resolv_conf = folder .. '/resolv.conf' }
  assert(dns.servers { self.address })
  local until_when = fiber.clock() + 10
  while not dns.query('ns.test', 'A', 0.2) do
    if fiber.clock() > until_when or not self.process:running() then
      error('nsd does not start: ' .. self:log(), 2)
    end
    fiber.sleep(0.01)
  end
  dns.flush()
  return self
end

--- What the server has written.
function nameserver:log()
  local file <close> = assert(io.open(self.folder .. '/log'))
  return file:read('a')
end

function nameserver:stop()
  self.process:stop()
  peer.remove_folder(self.folder)
end

--- Runs `body(server)` with a server, which is stopped whatever happens.
function nameserver.with(lines, body)
  peer.need('nsd')
  local server = nameserver.start(lines)
  peer.finally(function() server:stop() end, body, server)
end

return nameserver
