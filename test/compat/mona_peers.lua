--- mona_peers.lua: clients of MonaServer's kind and the sockets at their other ends, for the tests.
local loopback = require 'loopback'
local mona = require 'coir.compat.mona'

local mona_peers = {}

function mona_peers.port_of(address) return math.tointeger(tonumber(address:match ':(%d+)$')) end

--- A client that is connected, the socket of ours at its other end, and the list of its events.
function mona_peers.client_and_peer(more)
  local listener, port = loopback.listener()
  local client, events = mona:createTCPClient(), {}
  function client:onData(data)
    events[#events + 1] = data
    if more then return more(self, data) end
  end
  function client:onDisconnection(peer, err) events[#events + 1] = { 'end', peer, err } end
  assert(client:connect('127.0.0.1', port))
  local peer = listener:accept()
  listener:close()
  return client, peer, events
end

--- Whether the last of them was the end.
function mona_peers.ended(events) return type(events[#events]) == 'table' end

return mona_peers
