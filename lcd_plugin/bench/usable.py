"""Which methods and encoders of a suite can be used; a plugin that cannot costs only its own."""

from __future__ import annotations

from functools import partial
from typing import Any

from pydantic import ValidationError

from lcd_plugin.bench.own_state import AttemptError, attempt
from lcd_plugin.bench.planned import PlannedMethod
from lcd_plugin.bench.suite import Suite, explain
from lcd_plugin.encoders import create_encoder, network_settings
from lcd_plugin.errors import ConfigError, PluginError
from lcd_plugin.methods.add_ons import views_of
from lcd_plugin.methods.base import Method, MethodConfig
from lcd_plugin.plugins import ENCODERS, METHODS
from lcd_plugin.views.leads import check_pattern, letters_of

# Reasons by title, such as `method lcd`.
Unavailable = dict[str, str]


def usable_methods(suite: Suite) -> tuple[dict[str, PlannedMethod], Unavailable]:
    """Methods by name, with their settings, and why the others cannot be used.

    Raises:
        ConfigError: a setting is impossible.
        PluginError: none can be used.
    """
    METHODS.probe(suite.methods)
    methods: dict[str, PlannedMethod] = {}
    unavailable: Unavailable = {}
    for name in suite.methods:
        plan = planned_method if METHODS.origin(name).own else _foreign_method
        try:
            methods[name] = plan(name, suite)
        except PluginError as error:
            unavailable[f"method {name}"] = str(error)
    if not methods:
        raise PluginError(" ".join(unavailable.values()))
    return methods, unavailable


def planned_method(name: str, suite: Suite) -> PlannedMethod:
    """A method with the settings that a suite has for it.

    Raises:
        ConfigError: the settings are impossible.
        PluginError: it cannot be loaded, or is no method.
    """
    method_class = _method_class(name)
    given = suite.settings.get(name, {})
    try:
        config = method_class.config_class.model_validate(given)
    except ValidationError as error:
        raise ConfigError(explain(error, method_class.config_class, f"{name}.")) from error
    return PlannedMethod(METHODS.spec(name), config, method_class)


def _foreign_method(name: str, suite: Suite) -> PlannedMethod:
    """A method of someone else's: whatever it does, it is that which cannot be used.

    Raises:
        ConfigError: the suite's settings for it are impossible.
        PluginError: it cannot be used.
    """
    title = f"The method '{name}' of {METHODS.origin(name).distribution}"
    try:
        return attempt(lambda: _checked(name, suite, title))
    except AttemptError as failure:
        error = failure.error
        wrongly = isinstance(error, ConfigError) and isinstance(error.__cause__, ValidationError)
        if wrongly and suite.settings.get(name):
            raise ConfigError(failure.reason) from error
        if isinstance(error, PluginError):
            raise PluginError(failure.reason) from error
        raise PluginError(f"{title} cannot be used: {failure.reason}") from error


def _checked(name: str, suite: Suite, title: str) -> PlannedMethod:
    """A method that will take part, as far as can be known beforehand."""
    planned = planned_method(name, suite)
    planned.config.model_dump(mode="json")  # as results have it
    letters = letters_of(views_of(planned.method_class, planned.config))
    n_leads = len(suite.data.leads)
    if planned.spec.kind == "pretraining" and len(letters) > n_leads:
        raise PluginError(
            f"{title} needs {len(letters)} different leads, and data.leads has {n_leads}."
        )
    return planned


def _method_class(name: str) -> type[Method]:
    found: Any = METHODS.load(name)
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise PluginError(f"The method '{name}' is no lcd_plugin.methods.base.Method.")
    settings: Any = getattr(found, "config_class", None)
    if not (isinstance(settings, type) and issubclass(settings, MethodConfig)):
        raise PluginError(
            f"The method '{name}' has {settings!r} as its config_class; it takes a subclass of "
            f"lcd_plugin.methods.base.MethodConfig."
        )
    try:
        check_pattern(getattr(found, "views", None) or "")
    except (TypeError, ValueError) as error:
        raise PluginError(f"The method '{name}' asks for no views. {error}") from error
    return found


def usable_encoders(suite: Suite) -> tuple[tuple[str, ...], Unavailable]:
    """Encoders as the suite names them, and why the others cannot be used.

    Raises:
        ConfigError: a built-in encoder does not take its settings.
        PluginError: none can be used.
    """
    ENCODERS.probe(suite.encoder(text).name for text in suite.encoders)
    usable: list[str] = []
    unavailable: Unavailable = {}
    for text in suite.encoders:
        choice = suite.encoder(text)
        settings = network_settings(choice.name, choice.settings, len(suite.data.leads))
        try:
            attempt(partial(create_encoder, choice.name, **settings))
        except AttemptError as failure:
            # What is ours is sound, so that the setting is wrong.
            ours = ENCODERS.origin(choice.name).own
            if ours and not isinstance(failure.error, PluginError):
                raise failure.error from failure.error.__cause__
            unavailable[f"encoder {text}"] = failure.reason
        else:
            usable.append(text)
    if not usable:
        raise PluginError(" ".join(unavailable.values()))
    return tuple(usable), unavailable
