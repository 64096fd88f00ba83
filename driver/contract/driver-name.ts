/** The name that docker-machine writes into config.json and looks the plugin up by. */
export const DRIVER_NAME = 'hyperkit';
