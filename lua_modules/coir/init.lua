--- coir: the modules under one name, and what concerns the program as a whole.
local coir = {
  dns = require 'coir.dns',
  errno = require 'coir.errno',
  fiber = require 'coir.fiber',
  socket = require 'coir.socket',
}

return coir
