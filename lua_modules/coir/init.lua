--- coir: the modules under one name, and what concerns the program as a whole.
local coir = {
  dns = require 'coir.dns',
  errno = require 'coir.errno',
  fiber = require 'coir.fiber',
  socket = require 'coir.socket',
}

-- Only in programs that are linked with coir-hooks.
if package.preload['coir.hooks'] then coir.hooks = require 'coir.hooks' end

return coir
