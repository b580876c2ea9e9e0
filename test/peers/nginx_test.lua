-- nginx_test.lua: pages of an nginx server, fetched by fibers.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local peer = require 'peer'
local test = require 'test'

peer.need('nginx')

local folder, port = peer.folder(), peer.free_port()
local large = ('0123456789abcdef'):rep(1 << 16)

local function put(name, text) peer.put_file(folder .. '/' .. name, text) end

put('small.txt', 'hello')
put('large.txt', large)
put('nginx.conf', ([[
  daemon off;
  master_process off;
  pid FOLDER/pid;
  error_log FOLDER/error.log;
  events { worker_connections 256; }
  http {
    access_log off;
    keepalive_requests 10000;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    server { listen 127.0.0.1:PORT; root FOLDER; }
  }
]]):gsub('FOLDER', folder):gsub('PORT', tostring(port)))

local server = peer.start(('nginx -e %s/error.log -p %s -c %s/nginx.conf'):format(folder, folder, folder),
  folder .. '/log')

-- -- The client -----------------------------------------------------------------------------------------

--- Sends a request and reads the response. Returns the status and the body.
local function fetch(s, path, connection)
  assert(s:write({ 'GET ', path, ' HTTP/1.1\r\nHost: localhost\r\nConnection: ', connection or 'keep-alive',
                   '\r\n\r\n' }, 10))
  local head = assert(s:read('\r\n\r\n', 10))
  local size = assert(tonumber(head:match('\nContent%-Length: (%d+)')), 'no Content-Length: ' .. head)
  return tonumber(head:match('^HTTP/1.1 (%d+)')), assert(s:read(size, 10))
end

test.case('nginx starts and answers', function()
  peer.await(port)
  local s <close> = peer.connect(port)
  test.equal({ fetch(s, '/small.txt') }, { 200, 'hello' })
end)

test.case('200 requests in 20 fibers, each on a connection of its own', function()
  peer.all(20, function()
    for _ = 1, 10 do
      local s <close> = peer.connect(port)
      test.equal({ fetch(s, '/small.txt', 'close') }, { 200, 'hello' })
      test.equal(s:read(1, 10), '')
    end
  end)
end)

test.case('200 requests in 20 fibers, ten on each connection', function()
  peer.all(20, function()
    local s <close> = peer.connect(port)
    for _ = 1, 10 do test.equal({ fetch(s, '/small.txt') }, { 200, 'hello' }) end
  end)
end)

test.case('pages of 1 MiB arrive whole in 20 fibers', function()
  peer.all(20, function()
    local s <close> = peer.connect(port)
    local status, body = fetch(s, '/large.txt')
    test.equal(status, 200)
    test.ok(body == large)
  end)
end)

test.case('a missing page is a 404 and leaves the connection usable', function()
  local s <close> = peer.connect(port)
  test.equal((fetch(s, '/missing')), 404)
  test.equal({ fetch(s, '/small.txt') }, { 200, 'hello' })
end)

server:stop()
peer.remove_folder(folder)
test.finish()
