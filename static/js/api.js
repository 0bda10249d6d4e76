// The API's description as a page, by the Swagger UI that comes with django-ninja.

const place = document.getElementById("swagger-ui");
SwaggerUIBundle({ url: place.dataset.description, domNode: place, deepLinking: true, validatorUrl: null });
