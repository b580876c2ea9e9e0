-- http_clients.lua: 50 clients fetch a page with socket.http, 40 times each, every time on a new
-- connection.
--
-- bench/run_clients compares the ways to do so.

package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local clients = require 'clients'
local http = require 'socket.http'
local ltn12 = require 'ltn12'

local url = ('http://127.0.0.1:%d/page.txt'):format(clients.port)

clients.run(40, function()
  for _ = 1, 40 do
    local parts = {}
    local ok, status = http.request { url = url, sink = ltn12.sink.table(parts),
      create = clients.tcp }
    assert(ok and status == 200 and #table.concat(parts) == 1000, status)
  end
end)
